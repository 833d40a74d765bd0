# What pip calls the machine that Lambda's x86_64 functions run on.
PLATFORM := manylinux2014_x86_64
