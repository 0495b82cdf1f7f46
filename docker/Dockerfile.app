# The application, from Debian's Python and packages whose hashes constraints.txt knows.
#   app   workers and the sentinel
#   lab   app, the checkout and callers' voices: the lab's calendar and the demo
# The build needs Debian's and PyPI's servers; wheels that lie in docker/wheels/ are taken instead of PyPI's.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS base
ARG APT_OPTIONS=""
RUN apt-get ${APT_OPTIONS} update \
 && DEBIAN_FRONTEND=noninteractive apt-get ${APT_OPTIONS} install -y --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/dpkg.log /var/log/apt

FROM base AS build
ARG APT_OPTIONS=""
RUN apt-get ${APT_OPTIONS} update \
 && DEBIAN_FRONTEND=noninteractive apt-get ${APT_OPTIONS} install -y --no-install-recommends python3-venv
WORKDIR /build
COPY docker/packages.txt constraints.txt docker/pick.sh ./
COPY docker/wheels wheels
RUN python3 -m venv /opt/ari_app && sh pick.sh packages.txt constraints.txt >requirements.txt \
 && . ./pip.env && /opt/ari_app/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE source/
COPY ari_app source/ari_app
COPY dialplan source/dialplan
COPY asterisk-config source/asterisk-config
COPY docker/ari_app.toml source/docker/ari_app.toml
COPY docker/systemd source/docker/systemd
RUN . ./pip.env && /opt/ari_app/bin/pip install --no-cache-dir --no-deps ./source \
 && /opt/ari_app/bin/pip uninstall -y -q pip setuptools \
 && find /opt/ari_app -name tests -type d -prune -exec rm -rf {} + \
 && /opt/ari_app/bin/ari-app --version

FROM base AS app
RUN useradd --system --uid 10001 --home-dir /var/lib/ari_app --shell /usr/sbin/nologin ari_app \
 && install -d -o ari_app -g ari_app /var/lib/ari_app /var/cache/ari_app /run/ari-app /events /data
COPY --from=build /opt/ari_app /opt/ari_app
ENV PATH=/opt/ari_app/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/var/cache/ari_app XDG_DATA_HOME=/var/lib/ari_app ARI_APP_CONFIG=/etc/ari_app/ari_app.toml
USER ari_app
WORKDIR /var/lib/ari_app
ENTRYPOINT ["ari-app"]
CMD ["serve"]

FROM app AS lab
ARG APT_OPTIONS=""
USER root
RUN apt-get ${APT_OPTIONS} update \
 && DEBIAN_FRONTEND=noninteractive apt-get ${APT_OPTIONS} install -y --no-install-recommends espeak-ng flite \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
COPY ari_app /srv/ari_app/ari_app
COPY asterisk-config /srv/ari_app/asterisk-config
COPY dialplan /srv/ari_app/dialplan
COPY calendar /srv/ari_app/calendar
COPY docker/ari_app.toml docker/customers.csv docker/calendar.sh docker/seed.py docker/demo.py /srv/ari_app/docker/
USER ari_app
WORKDIR /srv/ari_app
# The checkout's package before the installed one: the lab's configuration lies beside it.
ENV PYTHONPATH=/srv/ari_app
ENTRYPOINT []
CMD ["python3", "docker/demo.py"]
