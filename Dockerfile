# GalLoP Explorer in a container: the service, or the app. docs/howto/containers.md says how to run it.
#
#   docker build -t gallop .                                # computes on the CPU
#   docker build -t gallop:cuda --build-arg TORCH=cu126 .   # on a GPU: torch with the CUDA that its wheels bring along

ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS installed
# Of https://download.pytorch.org/whl: cpu, cu126, cu128 ...
ARG TORCH=cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PATH=/opt/gallop/bin:$PATH
# The largest part first: it is taken from Docker's cache as long as this line stays.
RUN python -m venv /opt/gallop \
    && pip install 'torch>=2.7,<3' 'torchvision>=0.22,<1' --index-url "https://download.pytorch.org/whl/${TORCH}"
WORKDIR /src
COPY . .
# Which versions of the rest, pyproject.toml says.
# hadolint ignore=DL3013
RUN pip install '.[app,serve]' && python -m compileall -q /opt/gallop/lib

FROM python:${PYTHON}-slim-bookworm
COPY --from=installed /opt/gallop /opt/gallop
# Saved data is in /data, what can be made again in /cache; all else may be read-only.
RUN groupadd --gid 10001 gallop \
    && useradd --uid 10001 --gid gallop --no-create-home --home-dir /cache --shell /usr/sbin/nologin gallop \
    && mkdir /cache /data /model \
    && chown gallop:gallop /cache /data
ENV PATH=/opt/gallop/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OMP_WAIT_POLICY=PASSIVE \
    HOME=/cache \
    XDG_CACHE_HOME=/cache \
    MPLCONFIGDIR=/cache/matplotlib \
    GALLOP_DATA=/data
USER 10001:10001
WORKDIR /data
VOLUME ["/cache", "/data"]
EXPOSE 8000 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
ENTRYPOINT ["gallop"]
CMD ["serve", "/model", "--host", "0.0.0.0", "--allowed-host", "localhost"]
