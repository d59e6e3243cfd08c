/* Prints the instruction set that the library chose. */
#include <stdio.h>

#include "focalloss.h"

int main(void)
{
    puts(focal_isa());
    return 0;
}
