config_PROGS := configd
config_PKGS := libyang libnftables libcrypto
