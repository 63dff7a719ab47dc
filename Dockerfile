# The static binary alone, for an unprivileged user: docker build -t switchback .
# Run it with the file mounted over /etc/switchback and a volume for what must survive a restart:
#   docker run -p 8080:8080 -v "$PWD/conf:/etc/switchback:ro" -v state:/var/lib/switchback switchback
# Mount the folder, not the file: editors and ConfigMaps replace files, and a mounted file stays the old one.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/switchback ./cmd/switchback \
 && mkdir -p /out/state /out/etc

FROM scratch
# Certificate authorities, for https targets.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /out/switchback /usr/local/bin/switchback
# A new volume takes over the owner of the folder that it covers.
COPY --from=build --chown=65532:65532 /out/etc /etc/switchback
COPY --from=build --chown=65532:65532 /out/state /var/lib/switchback
USER 65532:65532
# The state goes to ./switchback-data unless the file names state.dir; the volume is the working folder,
# so both ways of writing it survive a restart.
WORKDIR /var/lib/switchback
VOLUME /var/lib/switchback
# 8080 is the default listener. The admin API on 9900 stays on the container's loopback: reach it with
# `docker exec CONTAINER switchback status`, or configure tokens and an address before publishing it.
EXPOSE 8080
# There is no shell and no curl in here: the program asks itself. Where the file puts the admin API elsewhere,
# set SWITCHBACK_ADMIN to it; no token is needed.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/usr/local/bin/switchback", "health"]
ENTRYPOINT ["/usr/local/bin/switchback"]
CMD ["serve", "-c", "/etc/switchback/switchback.yaml"]
