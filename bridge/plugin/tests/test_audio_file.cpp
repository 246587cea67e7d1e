#include <doctest/doctest.h>

#include <sndfile.h>

#include <thread>

#include "audio_file.h"
#include "folder.h"
#include "shelf.h"
#include "stage.h"

using namespace foleyd;

namespace {

std::filesystem::path made(const Folder& folder, const std::string& name, int format, int channels, int frames, int rate) {
    const auto path = folder.path / name;
    SF_INFO info{};
    info.samplerate = rate;
    info.channels = channels;
    info.format = format;
    SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
    REQUIRE(file != nullptr);
    const auto samples = stage::sine(frames * channels, 441, rate * channels);
    CHECK(sf_writef_float(file, samples.data(), frames) == frames);
    sf_close(file);
    return path;
}

std::string refusal(const std::filesystem::path& path) {
    try {
        read_sound_file(path);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

std::shared_ptr<Link> nobody() {
    return std::make_shared<Link>([] { return std::filesystem::path("/nonexistent/foleyd.json"); });
}

void settle(const Shelf& shelf) {
    while (shelf.busy()) std::this_thread::yield();
}

}  // namespace

TEST_CASE("WAV, FLAC, AIFF and OGG come in with their channels, length and rate") {
    const Folder folder;
    const struct { const char* name; int format; double near; } kinds[] = {{"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 1e-6},
                                                                           {"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1e-4},
                                                                           {"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_24, 1e-6},
                                                                           {"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 0.1}};
    for (const auto& [name, format, near] : kinds)
        for (const int channels : {1, 2}) {
            CAPTURE(name);
            const auto sound = read_sound_file(made(folder, name, format, channels, 8000, 44100));
            CHECK(sound->rate == 44100);
            CHECK(sound->frames() == 8000);
            CHECK(sound->channels() == channels);
            const auto wanted = stage::sine(8000 * channels, 441, 44100 * channels);
            for (std::size_t k = 0; k < 8000; ++k)
                REQUIRE(std::abs(sound->left[k] - wanted[k * static_cast<std::size_t>(channels)]) <= near);
        }
}

TEST_CASE("a file that is no sound for a pad is refused in one sentence that names it") {
    const Folder folder;
    CHECK(refusal(folder.write("notes.wav", "not audio at all")).find("'notes.wav' is no audio") == 0);
    CHECK(refusal(folder.write("empty.flac", "")).find("'empty.flac' is no audio") == 0);
    CHECK(refusal(folder.path / "gone.wav").find("'gone.wav' is no file") == 0);
    CHECK(refusal(folder.path).find("is no file") != std::string::npos);
    CHECK(refusal(made(folder, "six.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 6, 100, 48000)).find("6 channels") != std::string::npos);
    CHECK(refusal(made(folder, "low.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 100, 4000)).find("4000 Hz") != std::string::npos);
    CHECK(refusal(made(folder, "long.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 121 * 8000, 8000)).find("longer than 120 s") != std::string::npos);
    CHECK(refusal(made(folder, "none.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 0, 8000)).find("no samples") != std::string::npos);
    const auto cut = made(folder, "cut.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1, 20000, 48000);
    std::filesystem::resize_file(cut, std::filesystem::file_size(cut) / 2);
    CHECK(refusal(cut).find("'cut.flac' is damaged") == 0);
}

TEST_CASE("a sound written as a WAV is the same sound when it is read") {
    const Folder folder;
    for (const double loud : {0.5, 3.0}) {
        const auto sound = make_sound(stage::sine(3000, 441, 48000, loud), stage::sine(3000, 700, 48000, loud), 48000);
        write_sound_file(folder.path / "a.wav", *sound);
        const auto back = read_sound_file(folder.path / "a.wav");
        CHECK(back->left == sound->left);
        CHECK(back->right == sound->right);
    }
    CHECK_THROWS_AS(write_sound_file(folder.path / "no" / "a.wav", *make_sound({0.5f}, {}, 48000)), std::invalid_argument);
}

TEST_CASE("files land on pads one after the other, and a bad one says so and takes no pad") {
    const Folder folder;
    Board board(nobody());
    Shelf shelf(board, BankFiles(folder.path, {}));
    shelf.import(62, {made(folder, "a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 1, 500, 48000), folder.write("b.wav", "x"),
                      made(folder, "c.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 1, 600, 48000),
                      made(folder, "d.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 1, 700, 48000)});
    settle(shelf);
    REQUIRE(board.view(62).sound);
    CHECK(board.view(62).sound->frames() == 500);
    REQUIRE(board.view(63).sound);
    CHECK(board.view(63).sound->frames() == 600);
    CHECK(shelf.view().failed);
    CHECK(shelf.view().said.find("'b.wav' is no audio") == 0);
    board.undo();
    CHECK_FALSE(board.view(63).sound);
}

TEST_CASE("a pad's clip goes to a folder and is dragged as a file, without a daemon, and nothing is overwritten") {
    const Folder folder;
    Board board(nobody());
    Shelf shelf(board, BankFiles(folder.path, {}));
    const auto sound = make_sound(stage::sine(3000), {}, 48000);
    shelf.copy_to(0, folder.path);
    settle(shelf);
    CHECK(shelf.view().said.find("nothing to copy") != std::string::npos);
    board.put(0, sound);
    board.set_recipe(0, {{"prompt", "glass / breaking"}});
    for (int k = 0; k < 2; ++k) shelf.copy_to(0, folder.path);
    settle(shelf);
    CHECK(read_sound_file(folder.path / "glass-breaking-01.wav")->left == sound->left);
    CHECK(read_sound_file(folder.path / "glass-breaking-02.wav")->left == sound->left);
    board.say_category(0, "GLASBrk");
    shelf.copy_to(0, folder.path);
    settle(shelf);
    CHECK(read_sound_file(folder.path / "GLASBrk_Glass Breaking 01_foleyd_plugin.wav")->left == sound->left);
}
