// Stands before Verilator's header of this name (-iquote) in builds that count, for one function of it: the toggles of a
// signal wider than 64 bits. Verilator's (5.48) goes on past the 32 bits of each word, where a shift begins again: a change
// of bit 3 counts as one of bits 35, 67 ... as well.
#pragma once
#include_next "verilated_cov.h"

static inline void lockstep_toggles_of_words(const int width, uint32_t* covp, WDataInP newData, WDataInP oldData) {
    for (int bit = 0; bit < width; ++bit) {
        const EData now = newData[bit / VL_EDATASIZE] >> (bit % VL_EDATASIZE) & 1;
        const EData was = oldData[bit / VL_EDATASIZE] >> (bit % VL_EDATASIZE) & 1;
        covp[2 * bit + now] += now ^ was;
    }
}
#define VL_COV_TOGGLE_CHG_ST_W lockstep_toggles_of_words
