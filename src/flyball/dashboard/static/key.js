// The token of the printed address. It is kept by this page's origin, port included, where no other program's page reads it.

const NAME = "flyball-token";
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given !== null) {
  localStorage.setItem(NAME, given);
  history.replaceState(null, "", location.pathname + location.search);
}

/** The header that opens the control plane's interface. */
export const bearer = () => ({ authorization: `Bearer ${localStorage.getItem(NAME)}` });

/** The same for an address, where a header cannot be set. */
export const inAddress = () => new URLSearchParams({ token: localStorage.getItem(NAME) });
