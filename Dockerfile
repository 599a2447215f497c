# kvpr-opt with its kernels compiled:
#   docker build -t kvpr-opt .
#   docker run --rm -v "$PWD:/data" kvpr-opt solve fleet.yaml
FROM python:3.12-slim

COPY . /src
# A folder that every user of the image can read; code compiled at build time is found there.
ENV NUMBA_CACHE_DIR=/opt/kernels
# Kernels are compiled for this processor: build the image on the kind of machine that runs it.
RUN pip install --no-cache-dir /src && rm -rf /src && kvpr-opt warmup && chmod -R a+rX /opt/kernels

RUN useradd --create-home runner
USER runner
WORKDIR /data
ENTRYPOINT ["kvpr-opt"]
