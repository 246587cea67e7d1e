// The line to the daemon: one context and one thread for all plugins of a process. Neither the audio thread nor the
// message thread ever waits for it.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "rework.h"

namespace foleyd {

enum class Light { red, yellow, green };

// Whether the daemon can be asked, and why not, in a sentence.
struct LinkState {
    Light light = Light::yellow;
    std::string sentence;
};

struct Progress {
    bool under_way = false;
    int position = 0, step = 0, steps = 0;
    double eta_s = -1;   // not known below 0
};

// A plugin as the link sees it; all calls come from the link's thread.
class Guest {
public:
    virtual ~Guest() = default;
    virtual void tick() = 0;   // about twenty times a second
    virtual void arrived(int pad, std::vector<SoundPtr> clips, const Json& infos) = 0;
    virtual void moved(int pad, const Progress& progress) = 0;
    virtual void failed(int pad, const std::string& sentence) = 0;
    // The answer to a search; its progress and failure come for the pad `library_slot`.
    virtual void listed(const Json& reply) = 0;
};

inline constexpr int library_slot = -1;

class Link {
public:
    // The process's own; it ends with the last who holds it.
    static std::shared_ptr<Link> shared();

    explicit Link(std::function<std::filesystem::path()> file = connection_file);
    ~Link();
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    void join(Guest& guest);
    void leave(Guest& guest);   // no call comes to it afterwards

    // Any thread but the audio thread. A newer order of a pad takes the older one's place.
    // `content` holds a recipe, and sources where it needs them; `source` is one that no library has.
    void render(Guest& guest, int pad, Json content, int count, SoundPtr source = nullptr);
    void fetch(Guest& guest, int pad, const std::string& clip_id);
    void search(Guest& guest, const std::string& text, int most);
    void cancel(Guest& guest, int pad);
    LinkState state() const;
    Abilities abilities() const;   // nothing in it while no daemon answers

private:
    struct Order {
        Guest* guest = nullptr;
        int pad = 0;
        std::string type, client;   // of the request; "cancel" takes back
        Json content;
        std::string msg_id;
        int job = -1;
        double ask_again = 0;   // when the result is asked for once more, 0: it will be told
        SoundPtr source = nullptr;   // whose samples go with it
    };
    struct Wire;

    void push(Order order);
    void run();
    void work(Wire& wire);
    void take_orders(Wire& wire);
    void send(Wire& wire, Order& order);
    void hear(Wire& wire, const Message& message);
    void hear_event(const Json& event);
    void finish(Wire& wire, std::size_t index, const Json& content, const std::vector<std::string>& buffers);
    bool drop(Guest* guest, int pad);
    void learn(const Message& message);
    void say(Light light, std::string sentence);

    const std::function<std::filesystem::path()> file_;
    std::atomic<bool> ending_{false};
    mutable std::mutex words_guard_;
    LinkState words_;
    Abilities abilities_;
    std::mutex queue_guard_;
    std::deque<Order> queue_;
    std::recursive_mutex guests_guard_;   // held while guests are called
    std::map<Guest*, std::string> guests_;   // and the name that the daemon knows them by
    std::vector<Order> under_way_;           // of the link's thread, under guests_guard_
    std::thread thread_;
};

}  // namespace foleyd
