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

# Small code: the kernels' loops are explicit vectors, which it leaves as they are, and the path of a call loses a nanosecond.
SWIFTFLAGS ?= -Osize -Xfrontend -remove-runtime-asserts
CFLAGS     ?= -O2
CXXFLAGS   ?= -O2

# One module for each instruction set, each from the whole of Sources/Kernels.
KERNELS_x86_64  = KernelsV2 KernelsV3 KernelsV4
KERNELS_aarch64 = KernelsNEON
FLAGS_KernelsV2   = -D ISA_X86_64 -Xcc -march=x86-64
FLAGS_KernelsV3   = -D ISA_X86_64_V3 -Xcc -march=x86-64-v3 $(ALIGNED)
FLAGS_KernelsV4   = -D ISA_X86_64_V4 -Xcc -march=x86-64-v4 $(ALIGNED)
# With a frame pointer LLVM aligns the stack where it spills vectors, which would straddle cache lines in some processes.
ALIGNED = -Xcc -fno-omit-frame-pointer
FLAGS_KernelsNEON = -D ISA_NEON -Xllvm -enable-machine-outliner=never
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

# A make that a recipe starts prints no "Entering directory".
MAKEFLAGS += --no-print-directory

# V=1 shows the commands themselves.
Q   = $(if $(V),,@)
run = $(if $(V),,@echo '  $(1)';)

.PHONY: all lib help
.DELETE_ON_ERROR:
all: lib

help: ## Show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-13s %s\n", $$1, $$2 }'
	@echo '  V=1 shows the commands, -j2 builds in parallel; PREFIX, LIBDIR, INCLUDEDIR, DESTDIR: where install puts what.'

# ---- The library ----------------------------------------------------------------------------------------------------

lib: $(SHARED) $(LINKS) $(STATIC) ## Build build/lib/libfocalloss.so and .a (what plain `make` does)

lib-aarch64: ## The same for 64-bit ARM Linux, cross-built into build/aarch64/lib
	@$(MAKE) lib ARCH=aarch64 CROSS=aarch64-linux-gnu- BUILD=$(BUILD)/aarch64
.PHONY: lib-aarch64

COMPILE = $(SWIFTC) $(TARGET_$(ARCH)) $(SWIFTFLAGS) -wmo -parse-as-library -swift-version 6 \
	-enable-experimental-feature Embedded -Xfrontend -enable-stack-protector -Xfrontend -function-sections \
	-module-cache-path $(BUILD)/module-cache -file-prefix-map $(CURDIR)=. \
	-Xcc -Wno-psabi -I include -I Sources/CKernels -I Sources/CSystem

GET_SWIFT = install Swift 6.3 or later from https://www.swift.org/install/linux and put its usr/bin on PATH

# Recompile when the flags or the compiler change.  The tools are looked for here, before the first compilation, so that
# a missing one is named with its remedy; `sudo make install` of a built library needs none.
$(OBJ)/flags: FORCE
	@$(if $(KERNELS),,echo "make: no kernels for $(ARCH): ARCH is x86_64 or aarch64" >&2; exit 1)
	@command -v $(firstword $(CC)) >/dev/null || { echo "make: no C compiler ($(CC)): \
	apt-get install $(if $(CROSS),gcc-aarch64-linux-gnu,gcc libc6-dev)" >&2; exit 1; }
	@if ! command -v $(firstword $(SWIFTC)) >/dev/null; then \
		test -e $(SHARED) || { echo "make: no Swift compiler ($(SWIFTC)): $(GET_SWIFT)" >&2; exit 1; }; \
	else \
		mkdir -p $(OBJ) $(LIB); \
		{ echo '$(COMPILE) $(foreach k,$(KERNELS),$(FLAGS_$(k)))'; $(SWIFTC) --version 2>&1; } >$@.new; \
		grep -Eq 'Swift version (6\.[3-9]|6\.[1-9][0-9]|[7-9]|[1-9][0-9])' $@.new || \
			{ echo "make: $(SWIFTC) is older than Swift 6.3: $(GET_SWIFT)" >&2; exit 1; }; \
		if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi; \
	fi
FORCE:
.PHONY: FORCE

# swiftc leaves an object alone that would not change, hence the touch.
$(OBJ)/FocalLoss.o: $(LIBRARY_SOURCES) $(C_HEADERS) $(OBJ)/flags
	$(call run,SWIFT FocalLoss) $(COMPILE) -Xcc -D_GNU_SOURCE -module-name FocalLoss \
		-c $(LIBRARY_SOURCES) -o $@
	@touch $@

$(KERNELS:%=$(OBJ)/%.open.o): $(OBJ)/%.open.o: $(KERNEL_SOURCES) $(C_HEADERS) $(OBJ)/flags
	$(call run,SWIFT $*) $(COMPILE) $(FLAGS_$*) -module-name $* -c $(KERNEL_SOURCES) -o $@
	@touch $@

# Every Swift object carries its own weak copies of generic functions, and a linker keeps one of each: the baseline
# could be given an AVX copy.  So each instruction set is sealed: one global symbol, its entry; the rest its own.
$(KERNELS:%=$(OBJ)/%.o): $(OBJ)/%.o: $(OBJ)/%.open.o
	$(call run,SEAL  $*) $(LD) -r --force-group-allocation $< -o $@.open
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='focal_kernels_*' $@.open $@

$(OBJ)/exports: $(HEADER)
	@mkdir -p $(@D)
	$(Q)sed -n 's/^FOCALLOSS_API .*\b\(focal_[a-z0-9_]*\)(.*/\1/p' $< | LC_ALL=C sort >$@

$(OBJ)/exports.map: $(OBJ)/exports
	$(Q){ echo 'FOCALLOSS_$(ABI) {'; echo 'global:'; sed 's/$$/;/' $<; echo 'local: *;'; echo '};'; } >$@

# One object with all of the library, from which both forms are made.
$(OBJ)/libfocalloss.o: $(OBJ)/FocalLoss.o $(KERNELS:%=$(OBJ)/%.o) $(OBJ)/exports
	$(Q)$(LD) -r --force-group-allocation $(filter %.o,$^) -o $@.open
	$(Q)$(OBJCOPY) --keep-global-symbols=$(OBJ)/exports $@.open $@

# noseparate-code: code and constants share pages, of which each seam would waste one in a library of 60.
LINKING = -shared -Wl,-soname,$(SONAME) -Wl,--version-script=$(OBJ)/exports.map -Wl,--build-id=sha1 -Wl,--gc-sections \
	-Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack -Wl,-z,nodelete -Wl,-z,defs -Wl,-z,noseparate-code \
	-Wl,--as-needed
$(SHARED): $(OBJ)/libfocalloss.o $(OBJ)/exports.map
	$(call run,LINK  $@) $(CC) $(LDFLAGS) $(LINKING) $< -lm -o $@

$(LINKS): $(SHARED)
	$(Q)ln -sf $(notdir $<) $@

$(STATIC): $(OBJ)/libfocalloss.o
	$(Q)rm -f $@
	$(call run,AR    $@) $(AR) rcsD $@ $<

# ---- Install --------------------------------------------------------------------------------------------------------

# GNU's variables, in either case.
prefix       ?= /usr/local
PREFIX       ?= $(prefix)
libdir       ?= $(PREFIX)/lib
LIBDIR       ?= $(libdir)
includedir   ?= $(PREFIX)/include
INCLUDEDIR   ?= $(includedir)
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
CMAKEDIR     ?= $(LIBDIR)/cmake/focalloss
INSTALL      ?= install

# Both packages find their files from where they lie themselves, so that an installed tree may be moved.
relative = $(shell realpath -ms --relative-to=$(1) $(2))
CONFIGURE = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@MAJOR@|$(call version,MAJOR)|g' -e 's|@SONAME@|$(SONAME)|g' \
	-e 's|@PC_PREFIX@|$${pcfiledir}/$(call relative,$(PKGCONFIGDIR),$(PREFIX))|' \
	-e 's|@PC_LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
	-e 's|@PC_INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
	-e 's|@CMAKE_LIBDIR@|$(call relative,$(CMAKEDIR),$(LIBDIR))|' \
	-e 's|@CMAKE_INCLUDEDIR@|$(call relative,$(CMAKEDIR),$(INCLUDEDIR))|'

install: lib ## Install under PREFIX (/usr/local), staged under DESTDIR if that is set
	$(call run,INSTALL $(DESTDIR)$(PREFIX)) $(INSTALL) -d \
		$(foreach d,$(INCLUDEDIR) $(LIBDIR) $(PKGCONFIGDIR) $(CMAKEDIR),'$(DESTDIR)$(d)')
	$(Q)$(INSTALL) -m 644 $(HEADER) '$(DESTDIR)$(INCLUDEDIR)/focalloss.h'
	$(Q)$(INSTALL) -m 644 $(STATIC) '$(DESTDIR)$(LIBDIR)/libfocalloss.a'
	$(Q)$(INSTALL) -m 755 -s --strip-program='$(STRIP)' $(SHARED) '$(DESTDIR)$(LIBDIR)/libfocalloss.so.$(VERSION)'
	$(Q)ln -sf libfocalloss.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/$(SONAME)'
	$(Q)ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/libfocalloss.so'
	$(Q)$(CONFIGURE) bindings/c/focalloss.pc.in >'$(DESTDIR)$(PKGCONFIGDIR)/focalloss.pc'
	$(Q)$(CONFIGURE) bindings/c/focallossConfig.cmake.in >'$(DESTDIR)$(CMAKEDIR)/focallossConfig.cmake'
	$(Q)$(CONFIGURE) bindings/c/focallossConfigVersion.cmake.in >'$(DESTDIR)$(CMAKEDIR)/focallossConfigVersion.cmake'

uninstall: ## Remove what install put there
	rm -f '$(DESTDIR)$(INCLUDEDIR)/focalloss.h' '$(DESTDIR)$(PKGCONFIGDIR)/focalloss.pc'
	rm -f $(foreach f,libfocalloss.so.$(VERSION) $(SONAME) libfocalloss.so libfocalloss.a,'$(DESTDIR)$(LIBDIR)/$(f)')
	rm -f $(foreach f,focallossConfig focallossConfigVersion,'$(DESTDIR)$(CMAKEDIR)/$(f).cmake')
	rmdir --ignore-fail-on-non-empty '$(DESTDIR)$(CMAKEDIR)' 2>/dev/null || true
.PHONY: install uninstall

# ---- What a newcomer runs -------------------------------------------------------------------------------------------

PY      := .venv/bin/python
PACKAGE := bindings/python/src/focalloss

setup: ## Install what the tests, the demo and the examples need (Debian packages; Python ones into .venv)
	@sh Tests/setup.sh
.PHONY: setup

python: lib ## Make `import focalloss` work in .venv, with the library that was just built
	@mkdir -p $(PACKAGE)/lib
	@ln -sfr $(LIB)/$(SONAME) $(PACKAGE)/lib/$(SONAME)
	@$(PY) -c 'import focalloss' 2>/dev/null || $(PY) -m pip install -q --no-deps -e bindings/python
.PHONY: python

EXAMPLES := $(patsubst bindings/c/%,$(BUILD)/examples/%,$(basename $(wildcard bindings/c/*.c bindings/c/*.cpp)))
WARNINGS := -Wall -Wextra -pedantic -Werror
FOR_EXAMPLE = -Iinclude $(SHARED) -Wl,-rpath,'$$ORIGIN/../lib' -lm
$(BUILD)/examples/embed_python: FOR_EXAMPLE += $$(pkg-config --cflags --libs python3-embed)

examples: $(EXAMPLES) ## Build the C and C++ examples into build/examples
$(BUILD)/examples/%: bindings/c/%.c $(HEADER) $(SHARED) $(LINKS)
	@mkdir -p $(@D)
	$(call run,CC    $@) $(CC) $(CFLAGS) -std=c99 $(WARNINGS) $< $(FOR_EXAMPLE) -o $@
$(BUILD)/examples/%: bindings/c/%.cpp $(HEADER) $(SHARED) $(LINKS)
	@mkdir -p $(@D)
	$(call run,CXX   $@) $(CXX) $(CXXFLAGS) -std=c++11 $(WARNINGS) $< $(FOR_EXAMPLE) -o $@
.PHONY: examples

demo: ## Train on real tables with rare classes, in C and in Python; compare the losses; draw pictures
	@sh Tests/setup.sh demo
	@$(MAKE) -j$(shell nproc) python $(BUILD)/examples/train
	@$(PY) bindings/python/examples/tables.py $(BUILD)/data
	@$(PY) bindings/python/examples/demo.py $(BUILD)/examples/train $(BUILD)/data $(BUILD)/demo
	@$(PY) -m focalloss plot $(BUILD)/demo/curves.png >/dev/null
	@echo '          $(BUILD)/demo/curves.png'
pictures: python ## Draw docs/images/curves.png again
	@$(PY) -m focalloss plot docs/images/curves.png
.PHONY: demo pictures

test: ## Everything that a change must pass, in under 15 minutes
	@sh Tests/setup.sh
	@$(MAKE) -j$(shell nproc) lib examples python
	@sh Tests/run.sh short
test-long: ## The long tier: every float32, hours of fuzzing (see CONTRIBUTING.md)
	@sh Tests/setup.sh
	@$(MAKE) -j$(shell nproc) lib examples python
	@sh Tests/run.sh long
coverage: lib ## Which lines and regions of the library the suites run (3 minutes)
	@$(PY) Tests/trust/run.py long G3
bench: ## Measure against everything that is installed (2 minutes; FULL=1 for all shapes)
	@sh Tests/setup.sh bench
	@$(MAKE) -j$(shell nproc) lib python
	@$(PY) Benchmarks/run.py $(if $(FULL),--full)
.PHONY: test test-long coverage bench

ARCHIVE := libfocalloss-$(VERSION)
dist: ## Pack the sources into build/dist, with bill of materials and checksums
	@mkdir -p $(BUILD)/dist
	git archive --format=tar --prefix=$(ARCHIVE)/ HEAD | gzip -n9 >$(BUILD)/dist/$(ARCHIVE).tar.gz
	$(PYTHON) Tests/trust/bom.py $(BUILD)/dist/$(ARCHIVE).tar.gz >$(BUILD)/dist/$(ARCHIVE).cdx.json
	cd $(BUILD)/dist && sha256sum $(ARCHIVE).tar.gz $(ARCHIVE).cdx.json >SHA256SUMS
clean: ## Remove what was built
	rm -rf $(BUILD) .build $(PACKAGE)/lib
.PHONY: dist clean
