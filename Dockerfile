# syntax=docker/dockerfile:1

# Evently in a container: one static binary, no shell, no package manager, no root.
#
#   docker build -t evently --build-arg VERSION=$(git describe --tags --always) \
#     --build-arg COMMIT=$(git rev-parse --short=12 HEAD) --build-arg DATE=$(date -u +%Y-%m-%dT%H:%M:%SZ) .
#   docker run --rm --read-only -p 3000:3000 --env-file .env evently
#   docker run --rm --env-file .env evently evently migrate up

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
# A layer of its own: modules change less often than code.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY api ./api
COPY cmd ./cmd
COPY internal ./internal
COPY migrations ./migrations
ARG TARGETOS=linux
ARG TARGETARCH
ARG VERSION=dev
# Set by Render.
ARG RENDER_GIT_COMMIT=unknown
ARG COMMIT=$RENDER_GIT_COMMIT
ARG DATE=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -buildvcs=false -trimpath \
      -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT -X main.date=$DATE" \
      -o /out/evently ./cmd/evently

# Root certificates, time zones and an unprivileged user.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/evently /usr/local/bin/evently
USER 65532:65532
# The live heap is small, so the default GOGC would collect it many times a second.
ENV APP_ENV=production PORT=3000 GOGC=400 GOMEMLIMIT=300MiB
EXPOSE 3000
# Liveness, not readiness: a restart does not repair the database.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["/usr/local/bin/evently", "health"]
# No entrypoint, so that a platform can run another command: evently migrate up.
CMD ["/usr/local/bin/evently", "serve"]
