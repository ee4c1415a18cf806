# One image for every role: boot, miner, verifier. The sources run as they are (Node 24 strips the types), so nothing is built.

# What decides the installation, alone: a change of a source file must not install everything again.
FROM node:24-bookworm-slim AS manifests
WORKDIR /nacre
COPY package.json package-lock.json ./
COPY packages packages
RUN find packages ! -type d ! -name package.json -exec rm {} +

FROM node:24-bookworm-slim AS dependencies
WORKDIR /nacre
COPY --from=manifests /nacre ./
# Development dependencies stay out, the package "node" among them: the base image is the Node 24 that it pins elsewhere.
# Install scripts stay out too, so no native add-on is compiled; nothing that runs here needs one.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --workspace @nacre/cli

FROM node:24-bookworm-slim
WORKDIR /nacre
COPY --from=dependencies /nacre ./
COPY packages packages
COPY models models
# A volume takes over the owner of the folder it is mounted on.
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
ENV NODE_ENV=production \
    NACRE_DATA=/data \
    NACRE_LISTEN=/ip4/0.0.0.0/tcp/9000 \
    NACRE_RPC_PORT=8645
EXPOSE 9000 8645
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s --retries=3 \
    CMD ["node", "packages/cli/src/nacre.ts", "health", "http://127.0.0.1:8645"]
# Any other command works as well: `docker run IMAGE params list`.
ENTRYPOINT ["node", "--conditions=development", "--disable-warning=ExperimentalWarning", "packages/cli/src/nacre.ts"]
CMD ["node", "--env"]
