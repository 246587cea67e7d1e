// The core at a command line, for tests that hold it against foleyd's Python side and against daemons. One JSON value on
// standard output; a sentence on standard error and 1 where it fails.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <thread>

#include "clip_name.h"
#include "samples.h"
#include "shelf.h"

using namespace foleyd;

namespace {

using Arguments = std::vector<std::string>;

void until(const std::function<bool()>& true_of) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!true_of()) {
        if (std::chrono::steady_clock::now() > end) throw std::runtime_error("it never came true");
        std::this_thread::yield();
    }
}

std::shared_ptr<Link> line_to(const std::string& file) {
    return std::make_shared<Link>([file] { return std::filesystem::path(file); });
}

Json folders(const Arguments&) {
    const BankFiles files;
    return {{"user", files.user().string()}, {"shipped", files.shipped().lexically_normal().string()}};
}

Json banks(const Arguments& given) {
    Json made = Json::object();
    for (const auto& one : BankFiles(given.at(0), given.at(1)).all()) {
        Json names = Json::array();
        for (const auto& preset : one.bank.presets) names.push_back(preset.name);
        made[one.bank.name] = {{"users", one.bank.users}, {"problem", one.problem}, {"presets", names}};
    }
    return made;
}

// A preset from standard input into a bank: user's folder, shipped, bank, "replace" or "new", seconds to wait for the lock.
Json put(const Arguments& given) {
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    const BankFiles files(given.at(0), given.at(1));
    return files.put(given.at(2), OrderedJson::parse(text), given.at(3) == "replace", std::stod(given.at(4))).path;
}

// A pad that has loaded a preset (bank, name) and was changed by hand, saved as a preset of another bank and name.
Json pad(const Arguments& given) {
    Board board(line_to("/nonexistent/foleyd.json"));
    const BankFiles files(given.at(0), given.at(1));
    const auto bank = files.get(given.at(2));
    for (const auto& one : bank.presets)
        if (one.name == given.at(3)) board.load_preset(0, bank.name, one);
    board.set(0, Field::gain, -7.1f);
    board.set(0, Field::mode, static_cast<float>(Mode::gate));
    Shelf shelf(board, files);
    shelf.save_preset(0, given.at(4), given.at(5), true);
    until([&] { return shelf.view().banks != nullptr; });
    return shelf.view().said;
}

Json search(const Arguments& given) {
    Board board(line_to(given.at(0)));
    until([&] { return board.link_state().light == Light::green; });
    board.search(given.at(1));
    until([&] { return board.library().version > 0; });
    const auto found = board.library();
    if (!found.failure.empty()) throw std::runtime_error(found.failure);
    Json rows = Json::array();
    for (const auto& row : found.rows)
        rows.push_back({{"id", row.id}, {"name", row.name}, {"prompt", row.prompt}, {"path", row.path}, {"seconds", row.seconds}});
    return {{"total", found.total}, {"rows", rows}};
}

// A clip of the library on a pad, and its file.
Json fetch(const Arguments& given) {
    Board board(line_to(given.at(0)));
    until([&] { return board.link_state().light == Light::green; });
    board.load_clip(3, given.at(1));
    until([&] { return board.view(3).sound != nullptr || !board.view(3).failure.empty(); });
    const auto view = board.view(3);
    if (!view.sound) throw std::runtime_error(view.failure);
    Shelf shelf(board, BankFiles("", ""));
    std::filesystem::path file;
    until([&] { return !(file = shelf.dragged(view.sound, view)).empty(); });
    std::string bytes(view.sound->left.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), view.sound->left.data(), bytes.size());
    return {{"frames", view.sound->frames()}, {"rate", view.sound->rate}, {"sha256", hex_digest(bytes)},
            {"prompt", text_of(view.recipe, "prompt")}, {"file", file.string()}};
}

// The models that are offered for a pad that has this one, or none.
Json models(const Arguments& given) {
    Board board(line_to(given.at(0)));
    until([&] { return !board.abilities().operations.empty() && !board.abilities().model.empty(); });
    Json made = Json::array();
    for (const auto& one : model_choices(board.abilities(), given.at(1))) made.push_back({one.id, one.title});
    return made;
}

// What files are called: rows of words, category and number from standard input.
Json names(const Arguments&) {
    Json made = Json::array();
    for (const auto& row : Json::parse(std::cin)) made.push_back(clip_name(row.at(0), row.at(1), row.at(2)));
    return made;
}

// What the daemon makes of the first pad's sound.
Json reworked_pad(Board& board, Rework kind) {
    const auto before = board.view(0).sound;
    until([&] { return board.hindrance(0, kind).empty(); });
    board.rework(0, kind);
    until([&] { return board.view(0).sound != before || !board.view(0).failure.empty(); });
    const auto view = board.view(0);
    if (view.sound == before) throw std::runtime_error(view.failure);
    return {{"frames", view.sound->frames()}, {"rate", view.sound->rate}, {"made", view.made}, {"clips", view.candidates.size()}};
}

// What becomes of a file that is dropped on a pad with these words: "restyle" or "like" of it.
Json rework(const Arguments& given) {
    Board board(line_to(given.at(0)));
    Shelf shelf(board, BankFiles("", ""));
    shelf.import(0, {given.at(1)});
    until([&] { return board.view(0).sound != nullptr; });
    board.set_recipe(0, {{"prompt", given.at(3)}, {"steps", 4}});
    return reworked_pad(board, given.at(2) == "like" ? Rework::like : Rework::restyle);
}

// The same of a clip of the library, as the operations that follow say; the pad's recipe comes from standard input.
Json again(const Arguments& given) {
    Board board(line_to(given.at(0)));
    const Json words = Json::parse(std::cin);
    Json made = Json::array();
    for (std::size_t k = 2; k < given.size(); ++k) {
        const auto known = std::find_if(rework_specs.begin(), rework_specs.end(), [&](const auto& one) { return given[k] == one.operation; });
        if (known == rework_specs.end()) throw std::invalid_argument("no such operation: " + given[k]);
        board.put(0, nullptr);
        board.set_recipe(0, words);
        board.load_clip(0, given.at(1));
        until([&] { return board.view(0).sound != nullptr || !board.view(0).failure.empty(); });
        if (!board.view(0).sound) throw std::runtime_error(board.view(0).failure);
        made.push_back(reworked_pad(board, static_cast<Rework>(known - rework_specs.begin()))["made"]);
    }
    return made;
}

// A player that goes on while everything else goes wrong. Takes one order a line from standard input: "generate" with a
// recipe, "cancel", or "state", which alone is answered.
Json live(const Arguments& given) {
    Board board(line_to(given.at(0)));
    board.prepare(48000);
    board.put(1, make_sound(std::vector<float>(4800, 0.25f), {}, 48000));
    board.set(1, Field::mode, static_cast<float>(Mode::loop));
    std::atomic<bool> ending{false};
    std::atomic<long> blocks{0}, gaps{0};
    std::thread player([&] {
        std::vector<std::vector<float>> sides(2 * output_count, std::vector<float>(64));
        float* outputs[2 * output_count];
        for (std::size_t k = 0; k < sides.size(); ++k) outputs[k] = sides[k].data();
        const Event note{0, Event::Kind::on, first_note + 1, 1.0f};
        while (!ending) {
            board.engine.process(&note, blocks == 0 ? 1 : 0, {}, outputs, 64);
            // once it has come up, every sample is the loop's own
            if (++blocks > 100)
                for (const float sample : sides[0]) gaps += !(std::abs(sample - 0.25f) < 1e-4f);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    });
    for (std::string line; std::getline(std::cin, line);) {
        const auto order = line.substr(0, line.find(' '));
        if (order == "generate") {
            board.set_recipe(0, Json::parse(line.substr(order.size())));
            board.lock(0, true);
            board.request(0);
        } else if (order == "cancel") {
            board.cancel(0);
        } else if (order == "state") {
            const auto view = board.view(0);
            const auto link = board.link_state();
            std::cout << Json{{"light", static_cast<int>(link.light)}, {"sentence", link.sentence}, {"failure", view.failure},
                              {"under_way", view.progress.under_way}, {"step", view.progress.step},
                              {"frames", view.sound ? view.sound->frames() : 0}, {"blocks", blocks.load()}, {"gaps", gaps.load()}}
                             .dump()
                      << std::endl;
        }
    }
    ending = true;
    player.join();
    return "ended";
}

}  // namespace

int main(int count, char** words) {
    const std::map<std::string, Json (*)(const Arguments&)> deeds = {{"folders", folders}, {"banks", banks}, {"put", put},
                                                                     {"pad", pad},         {"search", search}, {"fetch", fetch},
                                                                     {"rework", rework},   {"again", again},   {"models", models}, {"names", names}, {"live", live}};
    try {
        const Arguments given(words + 1, words + count);
        std::cout << deeds.at(given.at(0))({given.begin() + 1, given.end()}).dump() << "\n";
        return 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
