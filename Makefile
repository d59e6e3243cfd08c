# libfocalloss: build, install and test.  `make help` lists the targets.
#
# The Swift modules are compiled here one by one rather than by `swift build` (which works too, from the same flags in
# Package.swift): SwiftPM cuts a module into as many LLVM modules as the machine has cores, which loses inlining between
# files and gives every machine other bytes.

# ---- What to build for ----------------------------------------------------------------------------------------------

ARCH   ?= $(shell uname -m)
BUILD  ?= build
CROSS  ?=
CC     := $(CROSS)$(if $(filter default,$(origin CC)),gcc,$(CC))
CXX    := $(CROSS)$(if $(filter default,$(origin CXX)),g++,$(CXX))
LD      = $(CROSS)ld
AR      = $(CROSS)ar
OBJCOPY = $(CROSS)objcopy
STRIP   = $(CROSS)strip
SWIFTC ?= swiftc
PYTHON ?= python3

SWIFTFLAGS ?= -O
CFLAGS     ?= -O2
CXXFLAGS   ?= -O2

# One module for each instruction set, each from the whole of Sources/Kernels.
KERNELS_x86_64  = KernelsV2 KernelsV3 KernelsV4
KERNELS_aarch64 = KernelsNEON
FLAGS_KernelsV2   = -D ISA_X86_64 -Xcc -march=x86-64
FLAGS_KernelsV3   = -D ISA_X86_64_V3 -Xcc -march=x86-64-v3
FLAGS_KernelsV4   = -D ISA_X86_64_V4 -Xcc -march=x86-64-v4
FLAGS_KernelsNEON = -D ISA_NEON
TARGET_x86_64  = -target x86_64-unknown-linux-gnu
TARGET_aarch64 = -target aarch64-none-none-elf -Xcc -isystem -Xcc $(SYSROOT_INCLUDE)
SYSROOT_INCLUDE = $(if $(CROSS),/usr/aarch64-linux-gnu/include,/usr/include)

# ---- Names ----------------------------------------------------------------------------------------------------------

HEADER   := include/focalloss.h
version  = $(shell sed -n 's/^.define FOCAL_VERSION_$(1) \([0-9]*\).*/\1/p' $(HEADER))
VERSION  := $(call version,MAJOR).$(call version,MINOR).$(call version,PATCH)
ABI      := $(shell sed -n 's/^.define FOCAL_ABI_VERSION \([0-9]*\).*/\1/p' $(HEADER))
SONAME   := libfocalloss.so.$(ABI)

OBJ    := $(BUILD)/obj
LIB    := $(BUILD)/lib
SHARED := $(LIB)/libfocalloss.so.$(VERSION)
STATIC := $(LIB)/libfocalloss.a
LINKS  := $(LIB)/$(SONAME) $(LIB)/libfocalloss.so

KERNELS         := $(KERNELS_$(ARCH))
KERNEL_SOURCES  := $(shell find Sources/Kernels -name '*.swift' | LC_ALL=C sort)
LIBRARY_SOURCES := $(shell find Sources/FocalLoss -name '*.swift' | LC_ALL=C sort)
C_HEADERS       := $(shell find Sources/C* include -name '*.h' -o -name '*.modulemap')

.PHONY: all lib help
.DELETE_ON_ERROR:
all: lib

help: ## Show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-13s %s\n", $$1, $$2 }'

# ---- The library ----------------------------------------------------------------------------------------------------

lib: $(SHARED) $(LINKS) $(STATIC) ## Build build/lib/libfocalloss.so and .a (what plain `make` does)

lib-aarch64: ## The same for 64-bit ARM Linux, cross-built into build/aarch64/lib
	@$(MAKE) --no-print-directory lib ARCH=aarch64 CROSS=aarch64-linux-gnu- BUILD=$(BUILD)/aarch64
.PHONY: lib-aarch64

COMPILE = $(SWIFTC) $(TARGET_$(ARCH)) $(SWIFTFLAGS) -wmo -parse-as-library -swift-version 6 \
	-enable-experimental-feature Embedded -Xfrontend -enable-stack-protector -Xfrontend -function-sections \
	-module-cache-path $(BUILD)/module-cache -file-prefix-map $(CURDIR)=. -I include -I Sources/CKernels -I Sources/CSystem

# The tools are looked for once, before the first compilation, so that a missing one is named with its remedy.
$(OBJ)/flags: FORCE
	@command -v $(firstword $(SWIFTC)) >/dev/null || { echo "make: no Swift compiler ($(SWIFTC)): install Swift 6.3 \
	or later from https://www.swift.org/install/linux and put its usr/bin on PATH" >&2; exit 1; }
	@command -v $(firstword $(CC)) >/dev/null || { echo "make: no C compiler ($(CC)): \
	apt-get install $(if $(CROSS),gcc-aarch64-linux-gnu,gcc libc6-dev)" >&2; exit 1; }
	@$(if $(KERNELS),,echo "make: no kernels for $(ARCH): ARCH is x86_64 or aarch64" >&2; exit 1)
	@mkdir -p $(OBJ) $(LIB)
	@{ echo '$(COMPILE)'; $(SWIFTC) --version 2>&1; } | cmp -s - $@ || \
		{ echo '$(COMPILE)'; $(SWIFTC) --version 2>&1; } >$@
FORCE:
.PHONY: FORCE

$(OBJ)/FocalLoss.o: $(LIBRARY_SOURCES) $(C_HEADERS) $(OBJ)/flags
	$(COMPILE) -module-name FocalLoss -c $(LIBRARY_SOURCES) -o $@

$(KERNELS:%=$(OBJ)/%.open.o): $(OBJ)/%.open.o: $(KERNEL_SOURCES) $(C_HEADERS) $(OBJ)/flags
	$(COMPILE) -Ounchecked $(FLAGS_$*) -module-name $* -c $(KERNEL_SOURCES) -o $@

# Every Swift object carries its own weak copies of generic functions, and a linker keeps one of each: the baseline
# could be given an AVX copy.  So each instruction set is sealed: one global symbol, its entry; the rest its own.
$(KERNELS:%=$(OBJ)/%.o): $(OBJ)/%.o: $(OBJ)/%.open.o
	$(LD) -r --force-group-allocation $< -o $@
	$(OBJCOPY) --wildcard --keep-global-symbol='focal_kernels_*' $@

$(OBJ)/exports: $(HEADER)
	@mkdir -p $(@D)
	sed -n 's/^FOCALLOSS_API .*\b\(focal_[a-z0-9_]*\)(.*/\1/p' $< | LC_ALL=C sort >$@

$(OBJ)/exports.map: $(OBJ)/exports
	{ echo 'FOCALLOSS_$(ABI) {'; echo 'global:'; sed 's/$$/;/' $<; echo 'local: *;'; echo '};'; } >$@

$(OBJ)/libfocalloss.o: $(OBJ)/FocalLoss.o $(KERNELS:%=$(OBJ)/%.o) $(OBJ)/exports
	$(LD) -r --force-group-allocation $(filter %.o,$^) -o $@
	$(OBJCOPY) --keep-global-symbols=$(OBJ)/exports $@

HARDENING = -Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack -Wl,-z,defs
$(SHARED): $(OBJ)/libfocalloss.o $(OBJ)/exports.map
	$(CC) -shared $(LDFLAGS) $(HARDENING) -Wl,-z,nodelete -Wl,-soname,$(SONAME) -Wl,--build-id=sha1 -Wl,--gc-sections \
		-Wl,--version-script=$(OBJ)/exports.map -Wl,--as-needed $< -lpthread -lm -o $@

$(LINKS): $(SHARED)
	ln -sf $(notdir $<) $@

$(STATIC): $(OBJ)/libfocalloss.o
	rm -f $@
	$(AR) rcsD $@ $<
