// How jemalloc works in this program; it reads this before main.
//
// Pages that nothing is on go back to the system within a second, also while nobody allocates: a full cache is as large
// as its bound, and little more, after the sizes of its responses have changed.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";
}
