# lib: what two rooms share. It makes lib.a and no program.
lib_PROGS :=
