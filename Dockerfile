# The engine and its demo, for docker-compose.yml. Built from this folder: docker build .
FROM rust:1.95-bookworm AS build
WORKDIR /tributary
COPY . .
RUN cargo build --release --locked -p tributary-cli -p tributary-sandbox

FROM debian:bookworm-slim
COPY --from=build /tributary/target/release/tributary /tributary/target/release/tributary-demo /usr/local/bin/
# Nothing here needs more: the engine listens on nothing but a socket in its state directory.
USER nobody
ENTRYPOINT ["tributary"]
