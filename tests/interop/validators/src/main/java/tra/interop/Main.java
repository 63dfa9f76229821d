package tra.interop;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/**
 * Asks validators that Tra did not write about many files in one start of the JVM.
 *
 * <pre>java -cp … tra.interop.Main REPORTS &lt; jobs &gt; answers</pre>
 *
 * Each line of standard input is a {@link Job} as JSON; each gets one line of standard output:
 * its name and check, and what the validator said, or {@code error} with what it threw. Full
 * reports lie in the folder REPORTS, named after the job.
 */
public final class Main {
    private Main() {}

    /**
     * One file to look at.
     *
     * @param check seal, pdfa or record
     * @param anchor PEM file of the one root to trust; pdfa needs none
     * @param data what an evidence record is about
     * @param loopback may OCSP, CRLs and certificates be fetched from this machine?
     * @param strict by {@link Policies#strict} instead of the policy that DSS ships?
     */
    record Job(
            String name,
            String check,
            String file,
            String anchor,
            String data,
            boolean loopback,
            boolean strict) {}

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        Path reports = Files.createDirectories(Path.of(arguments[0]));
        SealCheck seals = new SealCheck(reports);
        PdfACheck pdfa = new PdfACheck(reports);
        RecordCheck records = new RecordCheck(seals);

        Gson gson = new GsonBuilder().disableHtmlEscaping().serializeNulls().create();
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            Job job = gson.fromJson(line, Job.class);
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("name", job.name());
            answer.put("check", job.check());
            try {
                answer.putAll(
                        switch (job.check()) {
                            case "seal" -> seals.check(job);
                            case "pdfa" -> pdfa.check(job);
                            case "record" -> records.check(job);
                            default -> throw new IllegalArgumentException(job.check());
                        });
            } catch (Exception error) {
                // Damaged files are asked about on purpose; one must not end the others' turn.
                answer.put("error", error.toString());
            }
            out.println(gson.toJson(answer));
        }
    }
}
