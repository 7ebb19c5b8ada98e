// Elements that Unfold lets people click get role="button" (common/template_loader.py). Here they get the keys of one.
document.addEventListener("keydown", (event) => {
    const control = event.target;
    if (!(control instanceof Element) || control.getAttribute("role") !== "button" || control.matches("button, a[href]")) {
        return;
    }
    if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        control.click();
    }
});
