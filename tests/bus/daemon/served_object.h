// SPDX-License-Identifier: Apache-2.0
// An object that a test serves. sdbus-c++ 1.2 takes its methods one by one, 2.0 and later interface
// by interface.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bus/sdbus.h"

namespace volumecrypt::test {

class ServedObject {
  public:
    ServedObject(sdbus::IConnection &connection, const std::string &path)
        : object_(sdbus::createObject(connection, sdbus::ObjectPath(path))) {}

    [[nodiscard]] sdbus::IObject &object() { return *object_; }

#if __has_include(<sdbus-c++/VTableItems.h>)
    template <typename Function>
    void method(const char *interface, const char *name, Function &&function) {
        items_[interface].emplace_back(
            sdbus::registerMethod(name).implementedAs(std::forward<Function>(function)));
    }
    template <typename... Values>
    void signal(const char *interface, const char *name) {
        items_[interface].emplace_back(sdbus::registerSignal(name).withParameters<Values...>());
    }
    template <typename Function>
    void property(const char *interface, const char *name, Function &&getter) {
        items_[interface].emplace_back(
            sdbus::registerProperty(name).withGetter(std::forward<Function>(getter)));
    }
    // From then on it is there for others.
    void publish() {
        for (auto &[interface, items] : items_)
            object_->addVTable(sdbus::InterfaceName(interface), std::move(items));
    }

  private:
    std::map<std::string, std::vector<sdbus::VTableItem>> items_;
#else
    template <typename Function>
    void method(const char *interface, const char *name, Function &&function) {
        object_->registerMethod(name).onInterface(interface).implementedAs(
            std::forward<Function>(function));
    }
    template <typename... Values>
    void signal(const char *interface, const char *name) {
        object_->registerSignal(name).onInterface(interface).template withParameters<Values...>();
    }
    template <typename Function>
    void property(const char *interface, const char *name, Function &&getter) {
        object_->registerProperty(name).onInterface(interface).withGetter(
            std::forward<Function>(getter));
    }
    void publish() {
        object_->finishRegistration();
    }

  private:
#endif
    std::unique_ptr<sdbus::IObject> object_;
};

}  // namespace volumecrypt::test
