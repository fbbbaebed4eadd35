# update: signatures and rules, kept fresh: fetch, verify, install.
update_PROGS := updated
update_PKGS := libcurl libcrypto zlib libpcre2-8
update_LIBS := -lresolv
