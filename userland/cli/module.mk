cli_PROGS := sekisho
cli_PKGS := libedit libcrypt
