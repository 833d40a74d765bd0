# What pip calls the machine that Lambda's arm64 functions run on.
PLATFORM := manylinux2014_aarch64
