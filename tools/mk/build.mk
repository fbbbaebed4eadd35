# Runs inside the build root: compiles every room of userland, its unit tests and fuzz targets.
#
# A room is a folder of userland with a module.mk that sets, for room R,
#	R_PROGS  programs; the main() of each is userland/R/<program>.c
#	R_PKGS   pkg-config names it needs
#	R_LIBS   further linker flags
# All other .c files of the folder, one level of subfolders included, make R.a. A program or test
# links its room's R.a and lib.a: rooms never link each other.

BOARD ?= x86_64
SAN ?=
B := build/$(BOARD)$(if $(SAN),-san)
ROOMS := $(patsubst userland/%/module.mk,%,$(wildcard userland/*/module.mk))
include $(wildcard userland/*/module.mk)

CC ?= gcc
cc-option = $(shell $(CC) -Werror $(1) -c -x c /dev/null -o /dev/null 2>/dev/null && echo $(1))
$(shell mkdir -p $(B))
ifeq ($(wildcard $(B)/cc-options.mk),)
$(file >$(B)/cc-options.mk,CC_OPTIONS := $(call cc-option,-fcf-protection) $(call cc-option,-mbranch-protection=standard) \
	$(call cc-option,-fstack-clash-protection) $(call cc-option,-ftrivial-auto-var-init=zero) \
	$(call cc-option,-fzero-call-used-regs=used-gpr))
endif
include $(B)/cc-options.mk

WARN := -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wvla -Wstrict-prototypes -Wmissing-prototypes \
	-Wimplicit-fallthrough -Werror
CFLAGS := -std=gnu17 -O2 -g -D_GNU_SOURCE -Iuserland $(WARN) $(CC_OPTIONS) -fstack-protector-strong -fPIE
ifeq ($(SAN),)
CFLAGS += -D_FORTIFY_SOURCE=3
else
CFLAGS += -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS += -fsanitize=$(SAN)
endif
LDFLAGS += -pie -Wl,-z,relro,-z,now,--as-needed
ifneq ($(findstring fuzzer-no-link,$(SAN)),)
FUZZ_LDFLAGS := -fsanitize=fuzzer
else
FUZZ_DRIVER := tests/fuzz/replay.c
endif
lib_PKGS ?= libsystemd libmnl libnftnl

sources = $(filter-out $(1:%=userland/$(2)/%.c),$(wildcard userland/$(2)/*.c userland/$(2)/*/*.c))
objects = $(patsubst %.c,$(B)/obj/%.o,$(1))

# $(call pkg,flags,names): pkg-config once a room, not once a file
pkg = $(shell pkg-config $(1) $(2))

define room
$(1)_CFLAGS := $$(call pkg,--cflags,$$(lib_PKGS) $$($(1)_PKGS)) $$($(1)_CFLAGS)
$(1)_LDLIBS := $$(call pkg,--libs,$$($(1)_PKGS)) $$($(1)_LIBS) $$(call pkg,--libs,$$(lib_PKGS))
$(B)/$(1).a: $$(call objects,$$(call sources,$$($(1)_PROGS),$(1)))
	@rm -f $$@; ar rcsD $$@ $$^
$(B)/obj/userland/$(1)/%.o: userland/$(1)/%.c $(MAKEFILE_LIST)
	@mkdir -p $$(@D); echo "  CC  $$<"
	@$(CC) $$(CFLAGS) $$($(1)_CFLAGS) -MMD -MP -c $$< -o $$@
$$($(1)_PROGS:%=$(B)/bin/%): $(B)/bin/%: $(B)/obj/userland/$(1)/%.o $(B)/$(1).a $(B)/lib.a
	@mkdir -p $$(@D); echo "  LD  $$@"
	@$(CC) $$(LDFLAGS) -o $$@ $$^ $$($(1)_LDLIBS)
PROGS += $$($(1)_PROGS:%=$(B)/bin/%)

$(1)_TESTS := $$(patsubst tests/unit/$(1)/%.c,$(B)/tests/$(1)-%,$$(wildcard tests/unit/$(1)/test_*.c))
$(B)/tests/$(1)-%: tests/unit/$(1)/%.c $(B)/$(1).a $(B)/lib.a
	@mkdir -p $$(@D); echo "  CC  $$<"
	@$(CC) $$(CFLAGS) $$($(1)_CFLAGS) $$(LDFLAGS) -Itests/unit -o $$@ $$^ $$($(1)_LDLIBS) -lcmocka
TESTS += $$($(1)_TESTS)

# fuzz targets replay their corpus when linked with the driver, or run free with libFuzzer (tests/fuzz/run)
$(1)_FUZZ := $$(patsubst tests/fuzz/$(1)/%.c,$(B)/fuzz/$(1)-%,$$(wildcard tests/fuzz/$(1)/fuzz_*.c))
$(B)/fuzz/$(1)-%: tests/fuzz/$(1)/%.c $(FUZZ_DRIVER) $(B)/$(1).a $(B)/lib.a
	@mkdir -p $$(@D); echo "  CC  $$<"
	@$(CC) $$(CFLAGS) $$($(1)_CFLAGS) $$(LDFLAGS) $(FUZZ_LDFLAGS) -o $$@ $$^ $$($(1)_LDLIBS)
FUZZ += $$($(1)_FUZZ)
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))

.DEFAULT_GOAL := programs
.PHONY: programs tests fuzzers
.SECONDARY:
programs: $(PROGS)
tests: $(TESTS) $(FUZZ)
fuzzers: $(FUZZ)
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
