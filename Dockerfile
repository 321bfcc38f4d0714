ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}

RUN mkdir /physionet
WORKDIR /physionet

# Before the code: a change of the code does not install the packages (CUDA is in torch's) again.
COPY requirements.txt constraints.txt ./
# Neither downloads nor byte code are kept: 240 MB less, for some 5 s more when a container starts.
RUN pip install --no-cache-dir --no-compile -r requirements.txt

# torch's optimisers ask for a folder that exists, and use it only to compile; else they need one in /tmp.
ENV TORCHINDUCTOR_CACHE_DIR=/physionet

# Where a GPU is given to containers by these variables instead of by --gpus.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

COPY . /physionet
