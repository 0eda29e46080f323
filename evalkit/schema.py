"""The JSON Schema of a leaderboard's document, made of the records that write it.

python -m evalkit.schema > docs/leaderboard.schema.json
"""

from __future__ import annotations

import json
import sys
from typing import Any

from evalkit.board import SCHEMA_VERSION, Leaderboard


def leaderboard() -> dict[str, Any]:
    """Return the schema of leaderboard.json: all of the records but the pictures."""
    schema = Leaderboard.model_json_schema(mode="serialization")
    del schema["properties"]["sheet"]
    schema["required"].remove("sheet")
    schema["properties"]["schema_version"] |= {"const": SCHEMA_VERSION}
    while unused := {n for n in schema["$defs"] if f'"#/$defs/{n}"' not in json.dumps(schema)}:
        schema["$defs"] = {n: part for n, part in schema["$defs"].items() if n not in unused}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(leaderboard(), indent=2, ensure_ascii=False) + "\n")
