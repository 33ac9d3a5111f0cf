# The server alone, in a small image: docker build -t coscribe .
#
# Dependencies are compiled in a layer of their own, which is only made again when Cargo.lock changes.

ARG RUST=1-slim-bookworm
ARG DEBIAN=bookworm-slim

FROM rust:${RUST} AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY entity/Cargo.toml entity/
COPY migration/Cargo.toml migration/
RUN mkdir -p src benches entity/src migration/src \
    && echo 'fn main() {}' | tee src/main.rs > benches/edits.rs \
    && touch src/lib.rs entity/src/lib.rs migration/src/lib.rs \
    && cargo build --release --locked --bin coscribe \
    && rm -r src entity/src migration/src
COPY entity/src entity/src
COPY migration/src migration/src
COPY config config
COPY web/graphiql/dist web/graphiql/dist
COPY src src
# What was compiled from empty files is older than what is there now, whatever the checkout's times say.
RUN find src entity migration -name '*.rs' -exec touch {} + && cargo build --release --locked --bin coscribe

FROM debian:${DEBIAN}
RUN useradd --system --uid 10001 --home-dir /var/lib/coscribe --create-home --shell /usr/sbin/nologin coscribe
# Whom to trust when PostgreSQL or Redis speak TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/target/release/coscribe /usr/local/bin/
USER coscribe
WORKDIR /var/lib/coscribe
# Used unless DATABASE_URL names a PostgreSQL.
VOLUME /var/lib/coscribe
ENV COSCRIBE__SERVER__DATA_DIR=/var/lib/coscribe \
    COSCRIBE__TELEMETRY__FORMAT=json
EXPOSE 4000
# Whoever stops it waits longer than server.drain, 20 s.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["coscribe", "health"]
ENTRYPOINT ["coscribe"]
CMD ["serve"]
