// The vendor's SDK for JavaScript does what an application does with a device, by one of its two channels.
//
//     node connect.js poll|webhook|registrations
//
// HOST, KEY and DEVICE (an ID) are in the environment. Each step is a line of JSON on standard output: its name and what came of it.
"use strict";

const http = require("http");
const { ConnectApi } = require("mbed-cloud-sdk");

const { HOST, KEY, DEVICE } = process.env;
const DIMMER = "/3311/0/5851";
const WAIT = 15000; // milliseconds that the SDK waits for a device's answer

function say(step, result = null) {
    console.log(JSON.stringify([step, result]));
}

function connect(options) {
    return new ConnectApi({ host: HOST, apiKey: KEY, logLevel: "ERROR", ...options });
}

// What comes in, to be awaited: `until` gives the first that fits, of those that came before too.
class Heard {
    constructor() {
        this.all = [];
        this.waiting = new Set();
    }

    add(item) {
        this.all.push(item);
        this.waiting.forEach(look => look());
    }

    until(fits) {
        return new Promise(resolve => {
            const look = () => {
                const found = this.all.find(fits);
                if (found !== undefined) {
                    this.waiting.delete(look);
                    resolve(found);
                }
            };
            this.waiting.add(look);
            look();
        });
    }
}

// Read, write and execute. `writing` is the interface for the last two: with a webhook the SDK wants another setting for them.
async function request(reading, writing = reading) {
    const read = async path => (await reading.getResourceValue(DEVICE, path, WAIT)).toString();
    say("read", await read("/3/0/0"));
    await writing.setResourceValue(DEVICE, DIMMER, "42", WAIT);
    say("written", await read(DIMMER));
    await writing.executeResource(DEVICE, "/3303/0/5605", null, WAIT);
    say("executed");
    const refused = await reading.getResourceValue(DEVICE, "/3311/0/5999", WAIT).catch(error => error);
    say("refused", refused.code);
}

async function poll() {
    const api = connect({ autostartNotifications: true });
    say("devices", (await api.listConnectedDevices()).data.map(device => device.id));
    say("resources", (await api.listResources(DEVICE)).map(resource => resource.path));
    await request(api);

    const heard = new Heard();
    const emitted = new Heard();
    api.on("notification", about => emitted.add(about));
    // The SDK looks for what an async response belongs to in another form than it leaves it here: its promise never succeeds.
    api.addResourceSubscription(DEVICE, DIMMER, (error, value) => heard.add(value)).catch(() => {});
    while (!(await api.getResourceSubscription(DEVICE, DIMMER)));
    say("subscribed");
    for (const value of ["7", "8"]) {
        await api.setResourceValue(DEVICE, DIMMER, value, WAIT);
        say("notified", await heard.until(each => each === value));
    }
    say("emitted", await emitted.until(about => about.payload === "8"));
    await api.deleteResourceSubscription(DEVICE, DIMMER);
    say("unsubscribed", await api.getResourceSubscription(DEVICE, DIMMER));
    await api.stopNotifications();
}

async function webhook() {
    const reading = connect({ handleNotifications: true });
    const writing = connect({ handleNotifications: true, forceClear: true });
    const paths = new Set();
    const receiver = http.createServer((incoming, answer) => {
        let body = "";
        incoming.on("data", part => (body += part));
        incoming.on("end", () => {
            paths.add(`${incoming.method} ${incoming.url} ${incoming.headers["x-lamp"]}`);
            [reading, writing].forEach(api => api.notify(JSON.parse(body)));
            answer.writeHead(204).end();
        });
    });
    await new Promise(resolve => receiver.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${receiver.address().port}/hook`;
    say("before", await reading.getWebhook());
    await reading.updateWebhook(url, { "X-Lamp": "lit" });
    say("registered", (await reading.getWebhook()).url === url);
    await request(reading, writing);
    await registrations(reading);
    await reading.deleteWebhook();
    say("after", await reading.getWebhook());
    say("paths", [...paths]);
}

// A device that registers is told, its pre-subscribed value arrives, and so does its end.
async function registrations(api = connect({ autostartNotifications: true })) {
    const states = new Heard();
    const values = new Heard();
    api.subscribe.deviceStateChanges().addListener(state => states.add(state));
    (await api.subscribe.resourceValues({ deviceId: "*", resourcePaths: [DIMMER] }, "OnRegistration")).addListener(value =>
        values.add(value)
    );
    say("rules", await api.listPresubscriptions());
    say("ready");
    const { id } = await states.until(state => state.event === "registration" && state.id !== DEVICE);
    say("came", id);
    say("value", (await values.until(value => value.deviceId === id)).path);
    await states.until(state => state.event === "deregistration" && state.id === id);
    say("left", id);
    await api.deletePresubscriptions();
    say("no rules", await api.listPresubscriptions());
}

({ poll, webhook, registrations })
    [process.argv[2]]()
    .then(() => process.exit(0)) // its polls go on for ever
    .catch(error => {
        console.error(error);
        process.exit(1);
    });
