# A small image with only the server: docker build -t coscribe .
#
# Dependencies have their own layer, so a change of the sources does not compile them again.

ARG RUST=1-slim-bookworm
ARG DEBIAN=bookworm-slim

FROM rust:${RUST} AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# Members of the workspace, which are not built here.
COPY bench/Cargo.toml bench/
COPY costs/Cargo.toml costs/
COPY crates/allocator/Cargo.toml crates/allocator/
COPY crates/protocol/Cargo.toml crates/protocol/
COPY crates/replica/Cargo.toml crates/replica/
COPY entity/Cargo.toml entity/
COPY migration/Cargo.toml migration/
# A member of the workspace; only tests use it, so its library stays empty.
COPY tests/kit/Cargo.toml tests/kit/
RUN mkdir -p src bench/src benches costs/src crates/allocator/src crates/protocol/src crates/replica/src entity/src migration/src \
        tests/kit/src \
    && echo 'fn main() {}' | tee src/main.rs bench/src/main.rs costs/src/main.rs > benches/edits.rs \
    && touch src/lib.rs crates/allocator/src/lib.rs crates/protocol/src/lib.rs crates/replica/src/lib.rs \
        entity/src/lib.rs migration/src/lib.rs tests/kit/src/lib.rs \
    && cargo build --release --locked --bin coscribe \
    && rm -r src crates/allocator/src crates/protocol/src crates/replica/src entity/src migration/src
COPY crates/allocator/src crates/allocator/src
COPY crates/protocol/src crates/protocol/src
COPY crates/replica/src crates/replica/src
COPY entity/src entity/src
COPY migration/src migration/src
COPY config config
COPY web/demo/dist web/demo/dist
COPY web/graphiql/dist web/graphiql/dist
COPY src src
# Cargo compares file times: without a newer time it would keep what it built from the empty files above.
RUN find src crates entity migration -name '*.rs' -exec touch {} + && cargo build --release --locked --bin coscribe

FROM debian:${DEBIAN}
RUN useradd --system --uid 10001 --home-dir /var/lib/coscribe --create-home --shell /usr/sbin/nologin coscribe
# Certificate authorities for TLS connections to PostgreSQL and Redis.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/target/release/coscribe /usr/local/bin/
USER coscribe
WORKDIR /var/lib/coscribe
# Holds the SQLite database and the generated signing secret; unused with PostgreSQL and JWT_SECRET.
VOLUME /var/lib/coscribe
ENV COSCRIBE__SERVER__DATA_DIR=/var/lib/coscribe \
    COSCRIBE__TELEMETRY__FORMAT=json
EXPOSE 4000
# Set the stop timeout of the container to more than server.drain, 20 s.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["coscribe", "health"]
ENTRYPOINT ["coscribe"]
CMD ["serve"]
