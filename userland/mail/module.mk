# mail: maild, the transparent SMTP relay, and maildial, which opens its onward sockets
mail_PROGS := maild maildial
mail_PKGS := libsystemd libssl libcrypto sqlite3
