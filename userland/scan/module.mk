# scan: libclamav behind a sandbox.
scan_PROGS := scand
scan_PKGS := libclamav libseccomp
