/* A masked AVX load whose mask is empty, from address 0: no access on a CPU, a fault in emulators that load first and mask
 * afterwards (qemu 7.2).  Compilers make such loads of optional arrays.  Exit status 0: as on a CPU. */
int main(void)
{
#if defined(__x86_64__)
    __asm__ volatile("vpxor %%xmm0, %%xmm0, %%xmm0\n\t"
                     "xor %%eax, %%eax\n\t"
                     "vmaskmovpd (%%rax), %%ymm0, %%ymm1\n\t"
                     "vzeroupper"
                     :
                     :
                     : "eax", "xmm0", "xmm1");
#endif
    return 0;
}
