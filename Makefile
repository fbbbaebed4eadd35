# Sekisho: build, run and test the firmware. `make help` lists the targets.
#
# Needs a Debian or Ubuntu host and root (or sudo). What the host lacks is installed by tools/host-setup;
# everything is compiled in a Debian 13 build root kept outside the tree (tools/sdk).

BOARD ?= x86_64
SUITES ?= $(wildcard $(CURDIR)/../shared/suites)
export SUITES BOARD

B := build/$(BOARD)
SDK := tools/sdk run
JOBS := $(shell nproc)
INSIDE := $(SDK) make --no-print-directory -f tools/mk/build.mk BOARD=$(BOARD) -j$(JOBS)

.DEFAULT_GOAL := programs
.PHONY: help host programs kernel rootfs image run demo test bench fuzz lint lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

host: ## install what the host lacks (mmdebstrap, QEMU)
	@tools/host-setup

programs: host ## compile userland into build/BOARD/bin (the default)
	@$(INSIDE) programs

kernel: host ## the kernel (12-20 minutes the first time, then cached)
	@tools/kernel $(BOARD) $(B)/kernel

rootfs: programs ## the read-only root file system
	@tools/rootfs $(BOARD) $(B)

image: rootfs kernel ## the disk image build/BOARD/sekisho-BOARD.img
	@tools/image $(BOARD) $(B)

run: image ## boot the image in QEMU between a simulated LAN and WAN, console on this terminal
	@tools/run

demo: image ## the same unattended: play a scenario and print what was asked and what happened
	@tests/demo

test: image ## every test; the last line counts them
	@tests/run

bench: programs ## paired benchmarks; tables in build/bench
	@tests/bench/run

fuzz: host ## every fuzz target for ten minutes of processor time; new inputs stay in build/fuzz
	@tests/fuzz/run

lint: host ## formatting, shell scripts, static checks, house rules
	@$(SDK) tools/lint

lock: host ## take today's package versions into rootfs/packages.lock
	@tools/lock

clean: ## remove build/ (the caches outside the tree stay)
	@rm -rf build
