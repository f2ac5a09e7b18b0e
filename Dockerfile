# syntax=docker/dockerfile:1

# Evently in a container: one static binary, no shell, no package manager, not root.
#
#   docker build -t evently --build-arg VERSION=$(git describe --tags --always) \
#     --build-arg COMMIT=$(git rev-parse --short=12 HEAD) --build-arg DATE=$(date -u +%Y-%m-%dT%H:%M:%SZ) .
#   docker run --rm --read-only -p 3000:3000 --env-file .env evently
#   docker run --rm --env-file .env evently evently migrate up

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
# The modules change less often than the code: a layer of their own.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY api ./api
COPY cmd ./cmd
COPY internal ./internal
COPY migrations ./migrations
ARG TARGETOS=linux
ARG TARGETARCH
ARG VERSION=dev
# Render gives the commit by this name.
ARG RENDER_GIT_COMMIT=unknown
ARG COMMIT=$RENDER_GIT_COMMIT
ARG DATE=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -buildvcs=false -trimpath \
      -tags grpcnotrace,validator_novalidatefn \
      -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT -X main.date=$DATE" \
      -o /out/evently ./cmd/evently

# Root certificates, time zones and an unprivileged user; nothing else.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/evently /usr/local/bin/evently
USER 65532:65532
ENV APP_ENV=production PORT=3000
EXPOSE 3000
# Live and not ready: a restart does not bring a database back.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["/usr/local/bin/evently", "health"]
# No entrypoint, so that a platform may run another command of the same binary: evently migrate up.
CMD ["/usr/local/bin/evently", "serve"]
