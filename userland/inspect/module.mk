# inspect: packets -> verdicts
inspect_PROGS := inspectd
inspect_PKGS := libndpi htp libpcap libhs libpcre2-8 libcrypto libmnl libnftnl
inspect_LIBS := -lpthread
