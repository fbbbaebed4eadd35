# mailauth: SPF, DKIM, DMARC and Authentication-Results: bytes and DNS answers in, a result out.
mailauth_PROGS := mailauthd mailcheck
mailauth_PKGS := opendkim libunbound libcrypto libidn2
mailauth_LIBS := -lspf2
