# The arena's server: no torch, no weights. Never built where it was written, which had no container service.
FROM python:3.11-slim
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY evalkit evalkit
COPY arena arena
COPY prompts prompts
COPY results/published.csv results/published.csv
RUN pip install --no-cache-dir '.[postgres,cloud]' && useradd --create-home arena
USER arena
EXPOSE 7860
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=5)"]
ENTRYPOINT ["arena"]
CMD ["--help"]
