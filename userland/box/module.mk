# box: acts on the machine itself for an administrator
box_PROGS := boxd
box_PKGS := libmnl
