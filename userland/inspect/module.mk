# inspect: packets -> verdicts
inspect_PROGS := inspectd
inspect_PKGS := libndpi htp libnghttp2 libpcap libhs libpcre2-8 libcrypto libmnl libnftnl
inspect_LIBS := -lpthread
