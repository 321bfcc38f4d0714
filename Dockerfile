ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}

RUN mkdir /physionet
WORKDIR /physionet

# Before the code: a change of the code does not install the packages (CUDA is in torch's) again.
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements.txt

COPY . /physionet
