// Fails when process() allocates or frees. A program of its own, since it takes malloc's place (glibc).
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "stage.h"

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {
thread_local bool watched = false;
std::atomic<int> calls{0};
void note() {
    if (watched) calls.fetch_add(1);
}
}  // namespace

extern "C" {
void* malloc(std::size_t size) {
    note();
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
    note();
    return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
    note();
    return __libc_realloc(old, size);
}
void* aligned_alloc(std::size_t step, std::size_t size) {
    note();
    return __libc_memalign(step, size);
}
int posix_memalign(void** into, std::size_t step, std::size_t size) {
    note();
    *into = __libc_memalign(step, size);
    return *into == nullptr;
}
void free(void* old) {
    note();
    __libc_free(old);
}
}

int main() {
    watched = true;
    std::free(std::malloc(16));
    watched = false;
    if (calls.exchange(0) != 2) return std::puts("the hook does not see allocations"), 1;

    foleyd::Engine engine;
    engine.prepare(48000);
    const auto sound = foleyd::make_sound(stage::sine(30000), stage::sine(30000), 44100);
    std::vector<std::vector<float>> sides(16, std::vector<float>(512));
    float* outputs[16];
    for (std::size_t side = 0; side < 16; ++side) outputs[side] = sides[side].data();
    foleyd::Transport time{true, 120, 0, 0, 4, 4};
    for (int block = 0; block < 2000; ++block) {
        const int pad = block % 64;
        auto& set = engine.pads[static_cast<std::size_t>(pad)];
        engine.put(pad, block % 7 == 0 ? nullptr : foleyd::fit(sound, 48000));
        for (std::size_t field = 0; field < foleyd::field_count; ++field)
            if (block % 3 == 0) set.set(static_cast<foleyd::Field>(field), static_cast<float>(block % 5));
        engine.press(block * 7 % 64, 0.7f);
        engine.pitched.store(block % 11 == 0 ? pad : -1);
        foleyd::Event events[4] = {stage::on(3, block % 64), stage::on(3, (block + 9) % 64), stage::off(77, block % 64),
                                   {300, block % 40 ? foleyd::Event::Kind::on : foleyd::Event::Kind::all_off, 40, 1.0f}};
        time.position += 512 / 24000.0;
        watched = true;
        engine.process(events, 4, time, outputs, 512);
        watched = false;
        if (block % 3 == 0) engine.collect();
    }
    if (calls.load() != 0) return std::printf("process() allocated or freed %d times\n", calls.load()), 1;
    return 0;
}
