/* The header twice, and something of each kind that it declares: macros are expanded only where they are used. */
#include <focalloss.h>
#include <focalloss.h>

int main(void)
{
    const int32_t codes[] = {FOCAL_OK, FOCAL_ERROR_NULL, FOCAL_ERROR_SIZE, FOCAL_ERROR_VALUE, FOCAL_ERROR_OPTION,
                             FOCAL_ERROR_TARGET, FOCAL_ERROR_OVERLAP, FOCAL_ERROR_UNSUPPORTED, FOCAL_ERROR_ISA};
    const double off[] = {FOCAL_ALPHA_OFF, FOCAL_FLOOR_OFF};
    const char *version = FOCAL_VERSION_STRING;
    focal_args args;
    args.ignore_index = FOCAL_LABEL_NONE;
    args.parallel_for = NULL;
    return codes[0] || off[0] >= 0 || version[0] == 0 || args.ignore_index == 0 || args.parallel_for != NULL;
}
