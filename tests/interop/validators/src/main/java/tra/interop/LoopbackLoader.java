package tra.interop;

import eu.europa.esig.dss.spi.client.http.NativeHTTPDataLoader;
import eu.europa.esig.dss.spi.exception.DSSExternalResourceException;
import java.net.URI;
import java.util.List;

/** Fetches from this machine and nowhere else: files under test do not choose whom we call. */
final class LoopbackLoader extends NativeHTTPDataLoader {
    private static final long serialVersionUID = 1L;

    @Override
    public byte[] get(String url) {
        return super.get(onlyLoopback(url));
    }

    @Override
    public DataAndUrl get(List<String> urls) {
        urls.forEach(LoopbackLoader::onlyLoopback);
        return super.get(urls);
    }

    @Override
    public byte[] post(String url, byte[] content) {
        return super.post(onlyLoopback(url), content);
    }

    private static String onlyLoopback(String url) {
        if (!"127.0.0.1".equals(URI.create(url).getHost())) {
            throw new DSSExternalResourceException("not on this machine: " + url);
        }
        return url;
    }
}
