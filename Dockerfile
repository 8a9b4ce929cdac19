# Builds Tandem and packs it into a small image: docker build --tag tandem .
#
#   docker run --publish 8080:8080 --volume tandem:/data --read-only --cap-drop ALL --stop-timeout 35 tandem
#
# It writes to /data alone, and with PostgreSQL nowhere: compose.yaml has two replicas of it behind a proxy.
# A stop may take 30 seconds, while running requests finish: hence the longer --stop-timeout.

# The builder and the image below are of one Debian release, so that their C libraries agree.
FROM rust:1.95-bookworm AS builder
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package tandem

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin tandem \
    && install --directory --owner tandem --group tandem --mode 0700 /data
COPY --from=builder /src/target/release/tandem /usr/local/bin/tandem
COPY LICENSE /usr/share/doc/tandem/LICENSE

ENV TANDEM_LISTEN=0.0.0.0:8080 \
    TANDEM_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/tandem", "doctor", "--url", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["/usr/local/bin/tandem"]
CMD ["serve"]
