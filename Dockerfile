# docker build -t headwater . && docker run -p 127.0.0.1:4566:4566 -v headwater:/data headwater
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -qy --no-install-recommends cmake gcc g++ libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package headwater \
    && strip --strip-debug target/release/headwater

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin headwater \
    && install -d -o headwater -g headwater -m 0700 /data
COPY --from=build /source/target/release/headwater /usr/local/bin/headwater
USER headwater
VOLUME /data
EXPOSE 4566
# Inside a container every address is the container's own: who may reach it is decided by what -p publishes, so the port is
# opened to all here. Publish it on 127.0.0.1 alone, or mount a configuration file and give --auth on. Kafka clients must be told
# where they find the container: docs/guide/getting-started.md.
ENV HEADWATER_DATA=/data \
    HEADWATER_LISTEN=0.0.0.0:4566 \
    HEADWATER_INSECURE=on
ENTRYPOINT ["/usr/local/bin/headwater"]
CMD ["serve"]
