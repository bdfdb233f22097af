# syntax=docker/dockerfile:1
# One image for every process, which `docker-compose.yml` chooses. The tests run on the same Python. For a reproducible
# build name the base by its digest: --build-arg BASE=python:3.11-slim-bookworm@sha256:…
ARG BASE=python:3.11-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 SOURCE_DATE_EPOCH=0
WORKDIR /build
COPY requirements.lock .
# Every package by version and hash. Bytecode carries a hash instead of a time, so it is the same in each build.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --no-compile -r requirements.lock \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib
COPY . /srv/slamonitor
RUN python -m compileall -q --invalidation-mode unchecked-hash /srv/slamonitor

# hadolint ignore=DL3006
FROM ${BASE}
RUN groupadd --gid 10001 slamonitor \
    && useradd --uid 10001 --gid slamonitor --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin slamonitor
COPY --from=build /opt/venv /opt/venv
# Owned by root: the processes can read their code and not change it.
COPY --from=build /srv/slamonitor /srv/slamonitor
WORKDIR /srv/slamonitor
# No state directory: all state is in PostgreSQL and Redis, and settings come from the environment.
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 SLAMONITOR_STATE_DIR=/nonexistent LOG_FORMAT=json
USER 10001:10001
EXPOSE 8000
# For the web process; the others have no port, and end when they cannot go on (docker-compose.yml disables it).
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "deploy/healthcheck.py", "8000"]
ENTRYPOINT ["python", "manage.py"]
CMD ["run", "web", "--host", "0.0.0.0"]
