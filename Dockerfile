# ltbench in a container, on the processor or on CUDA; docs/install.md says how it is built and run.
ARG BASE=python:3.12-slim
FROM ${BASE}

# The environment, the folder of data sets and caches, and where torch comes from: empty is PyPI,
# whose wheels of Linux bring CUDA.
ARG PREFIX=/opt/ltbench
ARG STATE=/var/lib/ltbench
ARG TORCH_INDEX=
# Of pyproject.toml, in brackets: [tune,tensorboard]
ARG EXTRAS=

# CUDA's images have no Python.
RUN python3 -c "import ensurepip, venv" || { apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*; }
RUN python3 -m venv "$PREFIX"
ENV PATH=$PREFIX/bin:$PATH
RUN if [ -n "$TORCH_INDEX" ]; then pip install --no-cache-dir --index-url "$TORCH_INDEX" torch torchvision; fi

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY ltbench ltbench
COPY datasets_registry datasets_registry
COPY plugins plugins
RUN pip install --no-cache-dir ".$EXTRAS"

# Anybody may write here, whichever user the container runs as.
RUN mkdir -p -m 1777 "$STATE" "$STATE/data" "$STATE/cache" "$STATE/work"
ENV LTBENCH_DATA=$STATE/data
ENV LTBENCH_CACHE=$STATE/cache
ENV MPLCONFIGDIR=$STATE/cache/matplotlib
WORKDIR $STATE/work
RUN ltbench --version && ltbench data list

ENTRYPOINT ["ltbench"]
CMD ["--help"]
