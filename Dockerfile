# The image of the algorithm: `docker run IMAGE train` and `docker run IMAGE serve`. It builds on amd64 and on arm64.

FROM python:3.11-slim-bookworm AS build

# Nothing is compiled at run time: both the byte code and the machine code of the kernels are created here.
ENV PATH=/opt/program:/opt/venv/bin:$PATH \
    NUMBA_CACHE_DIR=/opt/kernels \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# "gpu" adds the packages for NVIDIA GPUs: `make image-gpu`.
ARG REQUIREMENTS=runtime
COPY requirements/${REQUIREMENTS}.txt /tmp/requirements.txt
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-compile --require-hashes \
        --requirement /tmp/requirements.txt \
 && /opt/venv/bin/pip uninstall --yes pip setuptools \
 # Remove headers, compilers, test suites and parts for other programs, which are not needed at run time. What remains of
 # mpich is mpiexec, its proxy and libmpi with its dependencies, and of CUDA what numba loads.
 && cd /opt/venv/lib/python3*/site-packages \
 && rm -rf pyarrow/include pyarrow/src pyarrow/tests numpy/_core/include numpy/_core/lib simdjson/simdjson.* \
        mpi4py/MPI.openmpi.* mpi4py/include nvidia/cuda_nvcc/bin nvidia/*/include nvidia/cuda_nvrtc/lib/*.alt.* \
        /opt/venv/share /opt/venv/include /opt/venv/lib/libmpi_abi.so* \
 && (cd /opt/venv/bin && rm -f mpic* mpivars mpirun mpiexec.* hydra_nameserver hydra_persist) \
 && find numba numpy pyarrow llvmlite -type d -name tests -prune -exec rm -rf {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

COPY train serve LICENSE /opt/program/
COPY kmeans /opt/program/kmeans
COPY container /opt/program/container
WORKDIR /opt/program
RUN python3 -m compileall -q --invalidation-mode unchecked-hash kmeans container \
 && python3 -m container.precompile


FROM python:3.11-slim-bookworm AS image

LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
      com.amazonaws.sagemaker.capabilities.multi-models=true \
      org.opencontainers.image.title="sagemaker-kmeans" \
      org.opencontainers.image.description="An open, drop-in replacement for the Amazon SageMaker K-means algorithm." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"

ENV PATH=/opt/program:/opt/venv/bin:$PATH \
    NUMBA_CACHE_DIR=/opt/kernels \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/kernels /opt/kernels
COPY --from=build /opt/program /opt/program

WORKDIR /opt/program
EXPOSE 8080
# There is no ENTRYPOINT: `train` and `serve` are found on PATH, so that SageMaker's `docker run IMAGE train` and a
# ContainerEntrypoint of ["train"] both start the program itself, as process 1, which gets the signals.
CMD ["train"]


# With REQUIREMENTS=gpu. NVIDIA's container runtime looks for these variables, and adds the driver.
FROM image AS gpu

ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility


FROM image
