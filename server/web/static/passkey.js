// SPDX-License-Identifier: Apache-2.0
// Passkeys: what a page carries for the browser's own dialogue, and its answer into the form.
// What must not live here: anything that decides; the server checks what was signed.
"use strict";

const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

const textOf = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

const named = (one) => ({ ...one, id: bytesOf(one.id) });

async function make(options) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytesOf(options.challenge),
      user: named(options.user),
      excludeCredentials: options.excludeCredentials.map(named),
    },
  });
  return [made, { attestationObject: textOf(made.response.attestationObject) }];
}

async function prove(options) {
  const proof = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: bytesOf(options.challenge),
      allowCredentials: options.allowCredentials.map(named),
    },
  });
  const { authenticatorData, signature } = proof.response;
  return [proof, { authenticatorData: textOf(authenticatorData), signature: textOf(signature) }];
}

async function answered(form) {
  const options = JSON.parse(form.dataset.options);
  const [found, more] = await (form.dataset.passkey === "create" ? make(options) : prove(options));
  return JSON.stringify({
    id: found.id,
    rawId: textOf(found.rawId),
    type: found.type,
    response: { clientDataJSON: textOf(found.response.clientDataJSON), ...more },
  });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) {
    break;
  }
  const told = form.querySelector("[role=alert]");
  form.querySelector("button").hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    told.hidden = true;
    try {
      form.elements.credential.value = await answered(form);
      form.submit();
    } catch {
      told.textContent = form.dataset.failed;
      told.hidden = false;
    }
  });
}
